#!/bin/sh
# Runs once, when PostgreSQL starts on an empty volume: a database and two roles for each service,
# as the devstack and the cluster have them. One owns and migrates, one serves.
set -eu
export SECRETS="${SECRETS:-/run/secrets}"

for SERVICE in inventory monitoring; do
  export SERVICE
  psql --no-psqlrc --quiet --username "$POSTGRES_USER" --dbname postgres \
    --set ON_ERROR_STOP=1 --set service="$SERVICE" --set owner="${SERVICE}_owner" <<'SQL'
\set password `cat "$SECRETS/${SERVICE}_password"`
\set owner_password `cat "$SECRETS/${SERVICE}_owner_password"`
CREATE ROLE :"owner" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS
    PASSWORD :'owner_password';
CREATE ROLE :"service" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS
    PASSWORD :'password';
CREATE DATABASE :"service" OWNER :"owner" TEMPLATE template0;
REVOKE ALL ON DATABASE :"service" FROM PUBLIC;
GRANT CONNECT, TEMPORARY ON DATABASE :"service" TO :"owner", :"service";
\connect :"service"
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO :"service";
SQL
done
