CREATE TEMPORARY TABLE "_tidegate_rows" ("id" bigint, "region" text, "amount" numeric(18,4), "document" jsonb, "photo" bytea, "_cdc_operation" text, "_cdc_timestamp" timestamptz, "_cdc_source_lsn" text, "_cdc_topic" text, "__from_2" boolean, "__from_3" boolean, "__from_4" boolean, "__from_5" boolean, "__from_6" boolean, "__from_8" boolean, "__key" text COLLATE "C", "__rank" bigint, "__old_0" bigint, "__old_1" text, "__after" text COLLATE "C", "__until" text COLLATE "C", "__since" text COLLATE "C") ON COMMIT DROP;
COPY pg_temp."_tidegate_rows" FROM STDIN;
SELECT pg_advisory_xact_lock(hashtextextended(E'"shop"."orders"', 0))::text;
CREATE TEMPORARY TABLE "_tidegate_copies" ON COMMIT DROP AS
SELECT DISTINCT ON (b."id", b."region") b."id", b."region", CASE WHEN b."__from_2" THEN o."amount" ELSE b."amount" END AS "amount", CASE WHEN b."__from_3" THEN o."document" ELSE b."document" END AS "document", CASE WHEN b."__from_4" THEN o."photo" ELSE b."photo" END AS "photo", CASE WHEN b."__from_5" THEN o."_cdc_operation" ELSE b."_cdc_operation" END AS "_cdc_operation", CASE WHEN b."__from_6" THEN o."_cdc_timestamp" ELSE b."_cdc_timestamp" END AS "_cdc_timestamp", b."_cdc_source_lsn", CASE WHEN b."__from_8" THEN o."_cdc_topic" ELSE b."_cdc_topic" END AS "_cdc_topic" FROM pg_temp."_tidegate_rows" b
JOIN "shop"."orders" o ON o."id" = b."__old_0" AND o."region" = b."__old_1" AND COALESCE(o."_cdc_source_lsn", '') COLLATE "C" >= b."__after" AND COALESCE(o."_cdc_source_lsn", '') COLLATE "C" <= b."__until" AND (COALESCE(o."_cdc_operation", '') <> 'd' OR o."_cdc_source_lsn" COLLATE "C" >= b."__since")
WHERE NOT EXISTS (SELECT FROM "shop"."orders__cdc_deleted" d WHERE d."key" = b."__key" AND d."_cdc_source_lsn" COLLATE "C" >= b."_cdc_source_lsn")
AND b."_cdc_source_lsn" COLLATE "C" > COALESCE((SELECT MAX(z."_cdc_source_lsn" COLLATE "C") FROM "shop"."orders__cdc_deleted" z WHERE z."key" = '*'), '')
ORDER BY b."id", b."region", b."__rank";
UPDATE "shop"."orders" t SET "amount" = s."amount", "document" = s."document", "photo" = s."photo", "_cdc_operation" = s."_cdc_operation", "_cdc_timestamp" = s."_cdc_timestamp", "_cdc_source_lsn" = s."_cdc_source_lsn", "_cdc_topic" = s."_cdc_topic", "_cdc_processed_at" = CAST(CAST($1 AS text) AS timestamptz)
FROM pg_temp."_tidegate_copies" s
WHERE t."id" = s."id" AND t."region" = s."region" AND s."_cdc_source_lsn" COLLATE "C" > COALESCE(t."_cdc_source_lsn", '');
INSERT INTO "shop"."orders" ("id", "region", "amount", "document", "photo", "_cdc_operation", "_cdc_timestamp", "_cdc_source_lsn", "_cdc_topic", "_cdc_processed_at")
OVERRIDING SYSTEM VALUE
SELECT s."id", s."region", s."amount", s."document", s."photo", s."_cdc_operation", s."_cdc_timestamp", s."_cdc_source_lsn", s."_cdc_topic", CAST(CAST($1 AS text) AS timestamptz) FROM pg_temp."_tidegate_copies" s
WHERE NOT EXISTS (SELECT FROM "shop"."orders" t WHERE t."id" = s."id" AND t."region" = s."region");
DROP TABLE pg_temp."_tidegate_copies";
DROP TABLE pg_temp."_tidegate_rows";
