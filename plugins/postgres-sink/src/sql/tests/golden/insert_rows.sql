CREATE TEMPORARY TABLE "_tidegate_rows" ("id" bigint, "region" text, "amount" numeric(18,4), "document" jsonb, "photo" bytea, "_cdc_operation" text, "_cdc_timestamp" timestamptz, "_cdc_source_lsn" text, "_cdc_topic" text) ON COMMIT DROP;
COPY pg_temp."_tidegate_rows" FROM STDIN;
INSERT INTO "shop"."orders" ("id", "region", "amount", "document", "photo", "_cdc_operation", "_cdc_timestamp", "_cdc_source_lsn", "_cdc_topic", "_cdc_processed_at")
OVERRIDING SYSTEM VALUE
SELECT "id", "region", "amount", "document", "photo", "_cdc_operation", "_cdc_timestamp", "_cdc_source_lsn", "_cdc_topic", CAST(CAST($1 AS text) AS timestamptz) FROM pg_temp."_tidegate_rows" s;
DROP TABLE pg_temp."_tidegate_rows";
