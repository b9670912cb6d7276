SELECT pg_advisory_xact_lock(hashtextextended(E'"shop"."orders"', 0))::text;
DELETE FROM "shop"."orders" t USING (SELECT CAST(r.value ->> 0 AS bigint) AS "id", CAST(r.value ->> 1 AS text) AS "region", CAST(r.value ->> 2 AS numeric(18,4)) AS "amount", CAST(r.value ->> 3 AS jsonb) AS "document", CAST(r.value ->> 4 AS bytea) AS "photo", CAST(r.value ->> 5 AS text) AS "_cdc_operation", CAST(r.value ->> 6 AS timestamptz) AS "_cdc_timestamp", CAST(r.value ->> 7 AS text) AS "_cdc_source_lsn", CAST(r.value ->> 8 AS text) AS "_cdc_topic", (r.value ->> 9) COLLATE "C" AS "__key" FROM jsonb_array_elements(CAST(CAST($1 AS text) AS jsonb)) r) s
WHERE t."id" = s."id" AND s."_cdc_operation" = 'd' AND s."_cdc_source_lsn" COLLATE "C" > COALESCE(t."_cdc_source_lsn", '');
UPDATE "shop"."orders" t SET "region" = s."region", "amount" = s."amount", "document" = s."document", "photo" = s."photo", "_cdc_operation" = s."_cdc_operation", "_cdc_timestamp" = s."_cdc_timestamp", "_cdc_source_lsn" = s."_cdc_source_lsn", "_cdc_topic" = s."_cdc_topic", "_cdc_processed_at" = CAST(CAST($1 AS text) AS timestamptz)
FROM (SELECT CAST(r.value ->> 0 AS bigint) AS "id", CAST(r.value ->> 1 AS text) AS "region", CAST(r.value ->> 2 AS numeric(18,4)) AS "amount", CAST(r.value ->> 3 AS jsonb) AS "document", CAST(r.value ->> 4 AS bytea) AS "photo", CAST(r.value ->> 5 AS text) AS "_cdc_operation", CAST(r.value ->> 6 AS timestamptz) AS "_cdc_timestamp", CAST(r.value ->> 7 AS text) AS "_cdc_source_lsn", CAST(r.value ->> 8 AS text) AS "_cdc_topic", (r.value ->> 9) COLLATE "C" AS "__key" FROM jsonb_array_elements(CAST(CAST($2 AS text) AS jsonb)) r) s
WHERE t."id" = s."id"
AND s."_cdc_source_lsn" COLLATE "C" > COALESCE(t."_cdc_source_lsn", '')
AND NOT EXISTS (SELECT FROM "shop"."orders__cdc_deleted" d WHERE d."key" = s."__key" AND d."_cdc_source_lsn" COLLATE "C" >= s."_cdc_source_lsn")
AND s."_cdc_source_lsn" COLLATE "C" > COALESCE((SELECT MAX(z."_cdc_source_lsn" COLLATE "C") FROM "shop"."orders__cdc_deleted" z WHERE z."key" = '*'), '')
AND s."_cdc_operation" <> 'd';
INSERT INTO "shop"."orders" ("id", "region", "amount", "document", "photo", "_cdc_operation", "_cdc_timestamp", "_cdc_source_lsn", "_cdc_topic", "_cdc_processed_at")
OVERRIDING SYSTEM VALUE
SELECT s."id", s."region", s."amount", s."document", s."photo", s."_cdc_operation", s."_cdc_timestamp", s."_cdc_source_lsn", s."_cdc_topic", CAST(CAST($1 AS text) AS timestamptz) FROM (SELECT CAST(r.value ->> 0 AS bigint) AS "id", CAST(r.value ->> 1 AS text) AS "region", CAST(r.value ->> 2 AS numeric(18,4)) AS "amount", CAST(r.value ->> 3 AS jsonb) AS "document", CAST(r.value ->> 4 AS bytea) AS "photo", CAST(r.value ->> 5 AS text) AS "_cdc_operation", CAST(r.value ->> 6 AS timestamptz) AS "_cdc_timestamp", CAST(r.value ->> 7 AS text) AS "_cdc_source_lsn", CAST(r.value ->> 8 AS text) AS "_cdc_topic", (r.value ->> 9) COLLATE "C" AS "__key" FROM jsonb_array_elements(CAST(CAST($2 AS text) AS jsonb)) r) s
WHERE NOT EXISTS (SELECT FROM "shop"."orders" t WHERE t."id" = s."id")
AND NOT EXISTS (SELECT FROM "shop"."orders__cdc_deleted" d WHERE d."key" = s."__key" AND d."_cdc_source_lsn" COLLATE "C" >= s."_cdc_source_lsn")
AND s."_cdc_source_lsn" COLLATE "C" > COALESCE((SELECT MAX(z."_cdc_source_lsn" COLLATE "C") FROM "shop"."orders__cdc_deleted" z WHERE z."key" = '*'), '')
AND s."_cdc_operation" <> 'd'
ORDER BY s."id";
