CREATE TEMPORARY TABLE "_tidegate_rows" ("id" bigint, "region" text, "amount" numeric(18,4), "document" jsonb, "photo" bytea, "_cdc_operation" text, "_cdc_timestamp" timestamptz, "_cdc_source_lsn" text, "_cdc_topic" text, "__key" text COLLATE "C") ON COMMIT DROP;
COPY pg_temp."_tidegate_rows" FROM STDIN;
SELECT pg_advisory_xact_lock(hashtextextended(E'"shop"."orders"', 0))::text;
UPDATE "shop"."orders" t SET "region" = s."region", "amount" = s."amount", "document" = s."document", "photo" = s."photo", "_cdc_operation" = s."_cdc_operation", "_cdc_timestamp" = s."_cdc_timestamp", "_cdc_source_lsn" = s."_cdc_source_lsn", "_cdc_topic" = s."_cdc_topic", "_cdc_processed_at" = CAST(CAST($1 AS text) AS timestamptz)
FROM pg_temp."_tidegate_rows" s
WHERE t."id" = s."id"
AND s."_cdc_source_lsn" COLLATE "C" > COALESCE(t."_cdc_source_lsn", '')
AND NOT EXISTS (SELECT FROM "shop"."orders__cdc_deleted" d WHERE d."key" = s."__key" AND d."_cdc_source_lsn" COLLATE "C" >= s."_cdc_source_lsn")
AND s."_cdc_source_lsn" COLLATE "C" > COALESCE((SELECT MAX(z."_cdc_source_lsn" COLLATE "C") FROM "shop"."orders__cdc_deleted" z WHERE z."key" = '*'), '')
AND s."_cdc_operation" <> 'd';
INSERT INTO "shop"."orders" ("id", "region", "amount", "document", "photo", "_cdc_operation", "_cdc_timestamp", "_cdc_source_lsn", "_cdc_topic", "_cdc_processed_at")
OVERRIDING SYSTEM VALUE
SELECT s."id", s."region", s."amount", s."document", s."photo", s."_cdc_operation", s."_cdc_timestamp", s."_cdc_source_lsn", s."_cdc_topic", CAST(CAST($1 AS text) AS timestamptz) FROM pg_temp."_tidegate_rows" s
WHERE NOT EXISTS (SELECT FROM "shop"."orders" t WHERE t."id" = s."id")
AND NOT EXISTS (SELECT FROM "shop"."orders__cdc_deleted" d WHERE d."key" = s."__key" AND d."_cdc_source_lsn" COLLATE "C" >= s."_cdc_source_lsn")
AND s."_cdc_source_lsn" COLLATE "C" > COALESCE((SELECT MAX(z."_cdc_source_lsn" COLLATE "C") FROM "shop"."orders__cdc_deleted" z WHERE z."key" = '*'), '')
AND s."_cdc_operation" <> 'd'
ORDER BY s."id";
DROP TABLE pg_temp."_tidegate_rows";
