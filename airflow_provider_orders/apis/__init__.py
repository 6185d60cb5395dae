"""What each vendor says: auth, routes, paging, statuses, what it can filter. No I/O.

:mod:`~airflow_provider_orders.apis.base` is the contract; one module per vendor fulfils it.
"""
