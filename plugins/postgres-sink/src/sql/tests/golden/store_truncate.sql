INSERT INTO "shop"."_cdc_truncates_orders_history" ("_cdc_processed_at", "_cdc_timestamp", "_cdc_source_lsn") VALUES (CAST(CAST($1 AS text) AS timestamptz), CAST(CAST($2 AS text) AS timestamptz), CAST($3 AS text))
ON CONFLICT DO NOTHING;
