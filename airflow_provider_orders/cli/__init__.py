"""The command line: ``airflow-orders``, and ``airflow orders`` where Airflow takes commands of providers (3.2 and later).

============ ==========================================================================================
command
============ ==========================================================================================
``check``    does a connection work, and if not, why
``plan``     how many requests and minutes an export will take, and what it can miss
``fetch``    export orders into a file
``show``     one order
``watch``    one order, each time that it changes
``sandbox``  the four vendors, faked on this machine
============ ==========================================================================================

Exit codes:

==== ==================================================================================================
code
==== ==================================================================================================
0    done
1    something unexpected, or the file could not be written; ``--debug`` shows where
2    usage or configuration: an unknown connection, a wrong field or argument
3    the vendor cannot be reached, fails, or asks to slow down
4    the credentials were rejected
5    the credentials may not read orders
6    there is no such order
7    the answers are not what the vendor documents, or lead elsewhere
8    a watched order reached a failed status, or no wanted one in time
130  stopped with Ctrl-C
==== ==================================================================================================

What a command gives goes to standard output, as a table on a terminal, as plain text otherwise, as JSON with ``--json``;
everything else goes to standard error. Personal data is masked unless ``--personal`` asks for it; a file of ``fetch`` holds
the orders as they are.
"""
