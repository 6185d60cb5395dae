"""How a request is sent, whoever the vendor is. Imports nothing: the rooms below use ``http.messages``."""
