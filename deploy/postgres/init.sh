#!/bin/sh
# A database and a role of its own for each of the three, and a role for who only reads the first;
# run once, when the volume is new.
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
# What it may read, `bike-demand migrate` says.
if [ -n "${BIKE_DEMAND_SERVING_DB_PASSWORD:-}" ]; then
    psql --quiet --set=ON_ERROR_STOP=1 --username="$POSTGRES_USER" --dbname=postgres <<'SQL'
\getenv password BIKE_DEMAND_SERVING_DB_PASSWORD
CREATE ROLE bike_demand_reader LOGIN PASSWORD :'password';
ALTER ROLE bike_demand_reader SET default_transaction_read_only = on;
SQL
fi
