SELECT pg_advisory_xact_lock(hashtextextended(E'"shop"."orders_history"', 0))::text;
UPDATE "shop"."orders_history" SET "_cdc_valid_to" = GREATEST("_cdc_valid_from", CAST(CAST($2 AS text) AS timestamptz)), "_cdc_processed_at" = CAST(CAST($1 AS text) AS timestamptz)
WHERE COALESCE("_cdc_source_lsn", '') COLLATE "C" <= CAST($3 AS text) AND ("_cdc_valid_to" IS NULL OR ("_cdc_valid_to" > CAST(CAST($2 AS text) AS timestamptz) AND "_cdc_valid_to" > "_cdc_valid_from"));
