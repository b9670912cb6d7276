SELECT pg_advisory_xact_lock(hashtextextended(E'"shop"."orders"', 0))::text;
DELETE FROM "shop"."orders" WHERE COALESCE("_cdc_source_lsn", '') COLLATE "C" <= CAST($1 AS text);
