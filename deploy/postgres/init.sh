#!/bin/sh
# A database and a role of its own for each of the three; run once, when the volume is new.
set -eu
for name in bike_demand dagster mlflow; do
    eval "password=\$$(echo "$name" | tr '[:lower:]' '[:upper:]')_DB_PASSWORD"
    # psql quotes the values; neither is an argument that others could see.
    NAME="$name" PASSWORD="$password" psql --quiet --set=ON_ERROR_STOP=1 --username="$POSTGRES_USER" --dbname=postgres <<'SQL'
\getenv name NAME
\getenv password PASSWORD
CREATE ROLE :"name" LOGIN PASSWORD :'password';
CREATE DATABASE :"name" OWNER :"name" ENCODING 'UTF8' TEMPLATE template0;
REVOKE CONNECT ON DATABASE :"name" FROM PUBLIC;
SQL
done
# Reads the warehouse, and can do no more: tables are not there yet, and whatever comes counts.
NAME=bike_demand_reader PASSWORD="$BIKE_DEMAND_READER_DB_PASSWORD" \
    psql --quiet --set=ON_ERROR_STOP=1 --username="$POSTGRES_USER" --dbname=bike_demand <<'SQL'
\getenv name NAME
\getenv password PASSWORD
CREATE ROLE :"name" LOGIN PASSWORD :'password';
GRANT CONNECT ON DATABASE bike_demand TO :"name";
ALTER DEFAULT PRIVILEGES FOR ROLE bike_demand GRANT SELECT ON TABLES TO :"name";
SQL
