-- What a service's role may in its database, said by the database's owner; run as often as one likes.
-- The same as libs/devstack makes locally. Tables grant by themselves: migrations do, table by table.
REVOKE ALL ON DATABASE :"service" FROM PUBLIC;
GRANT CONNECT, TEMPORARY ON DATABASE :"service" TO :"owner", :"service";
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO :"service";
