SELECT pg_advisory_xact_lock(hashtextextended(E'"shop"."orders"', 0))::text;
UPDATE "shop"."orders" SET "_cdc_operation" = 'd', "_cdc_processed_at" = CAST(CAST($1 AS text) AS timestamptz), "_cdc_source_lsn" = CAST($2 AS text), "_cdc_timestamp" = CAST(CAST($3 AS text) AS timestamptz)
WHERE COALESCE("_cdc_source_lsn", '') COLLATE "C" < CAST($2 AS text);
