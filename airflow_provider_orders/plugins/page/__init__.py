"""The Orders page: what the last exports of each connection brought, how fresh the data are, and what waits.

``records`` and ``waits`` read Airflow's metadata database, within what ``access`` allows; ``report`` makes of it what
the page says, ``chart`` and ``words`` how it says it; ``app`` answers requests.
"""
