CREATE TEMPORARY TABLE "_tidegate_rows" ("id" bigint, "region" text, "amount" numeric(18,4), "document" jsonb, "photo" bytea, "_cdc_operation" text, "_cdc_timestamp" timestamptz, "_cdc_source_lsn" text, "_cdc_topic" text, "_cdc_valid_from" timestamptz, "__after" text COLLATE "C", "__ends" timestamptz, "__until" timestamptz, "__old_0" bigint, "__old_1" text, "__up_to" text COLLATE "C", "__passes" boolean, "__keep_0" text COLLATE "C", "__keep_1" text COLLATE "C") ON COMMIT DROP;
COPY pg_temp."_tidegate_rows" FROM STDIN;
SELECT pg_advisory_xact_lock(hashtextextended(E'"shop"."orders_history"', 0))::text;
UPDATE "shop"."orders_history" t SET "_cdc_valid_to" = GREATEST(t."_cdc_valid_from", s."__ends"), "_cdc_processed_at" = CAST(CAST($1 AS text) AS timestamptz)
FROM pg_temp."_tidegate_rows" s
WHERE t."id" = s."id" AND t."region" = s."region" AND t."_cdc_source_lsn" COLLATE "C" < s."_cdc_source_lsn" AND t."_cdc_source_lsn" COLLATE "C" >= s."__after"
AND t."_cdc_valid_to" IS NULL AND s."__ends" IS NOT NULL;
UPDATE "shop"."orders_history" t SET "_cdc_valid_to" = GREATEST(t."_cdc_valid_from", s."__ends"), "_cdc_processed_at" = CAST(CAST($1 AS text) AS timestamptz)
FROM pg_temp."_tidegate_rows" s
WHERE t."id" = s."id" AND t."region" = s."region" AND t."_cdc_source_lsn" COLLATE "C" < s."_cdc_source_lsn" AND t."_cdc_source_lsn" COLLATE "C" >= s."__after"
AND t."_cdc_valid_to" > s."__ends" AND t."_cdc_valid_to" > t."_cdc_valid_from";
INSERT INTO "shop"."orders_history" ("id", "region", "amount", "document", "photo", "_cdc_operation", "_cdc_timestamp", "_cdc_source_lsn", "_cdc_topic", "_cdc_valid_from", "_cdc_processed_at", "_cdc_valid_to")
OVERRIDING SYSTEM VALUE
SELECT s."id", s."region", s."amount", CASE WHEN p."_cdc_source_lsn" COLLATE "C" >= s."__keep_0" THEN p."document" ELSE s."document" END, CASE WHEN p."_cdc_source_lsn" COLLATE "C" >= s."__keep_1" THEN p."photo" ELSE s."photo" END, s."_cdc_operation", s."_cdc_timestamp", s."_cdc_source_lsn", s."_cdc_topic", s."_cdc_valid_from", CAST(CAST($1 AS text) AS timestamptz),
CASE WHEN s."_cdc_operation" = 'd' OR later.at <= s."_cdc_valid_from" THEN s."_cdc_valid_from" ELSE later.at END
FROM pg_temp."_tidegate_rows" s
CROSS JOIN LATERAL (SELECT LEAST(s."__until",
(SELECT MIN(n."_cdc_valid_from") FROM "shop"."orders_history" n WHERE n."id" = s."id" AND n."region" = s."region" AND n."_cdc_source_lsn" COLLATE "C" > s."_cdc_source_lsn"),
(SELECT MIN(z."_cdc_timestamp") FROM "shop"."_cdc_truncates_orders_history" z WHERE z."_cdc_source_lsn" COLLATE "C" >= s."_cdc_source_lsn")) AS at) later
LEFT JOIN "shop"."orders_history" p ON p."id" = s."__old_0" AND p."region" = s."__old_1" AND p."_cdc_source_lsn" = (SELECT MAX(q."_cdc_source_lsn" COLLATE "C") FROM "shop"."orders_history" q WHERE q."id" = s."__old_0" AND q."region" = s."__old_1" AND q."_cdc_source_lsn" COLLATE "C" <= s."__up_to" AND (NOT s."__passes" OR q."_cdc_operation" <> 'd'))
WHERE NOT EXISTS (SELECT FROM "shop"."orders_history" t WHERE t."id" = s."id" AND t."region" = s."region" AND t."_cdc_source_lsn" = s."_cdc_source_lsn")
ORDER BY s."id", s."region", s."_cdc_source_lsn";
DROP TABLE pg_temp."_tidegate_rows";
