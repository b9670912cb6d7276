CREATE TABLE temp."_cdc_rows" AS
SELECT b.* FROM (SELECT ? AS "_cdc_processed_at", r.value ->> 0 AS "id", r.value ->> 1 AS "region", r.value ->> 2 AS "amount", r.value ->> 3 AS "document", unhex(r.value ->> 4) AS "photo", r.value ->> 5 AS "_cdc_operation", r.value ->> 6 AS "_cdc_timestamp", r.value ->> 7 AS "_cdc_source_lsn", r.value ->> 8 AS "_cdc_topic", r.value ->> 9 AS "__key"
FROM json_each(?) r) b
LEFT JOIN main."orders__cdc_deleted" d ON d."key" = b."__key"
WHERE b."_cdc_operation" = 'd' OR ((d."_cdc_source_lsn" IS NULL OR b."_cdc_source_lsn" > d."_cdc_source_lsn")
AND b."_cdc_source_lsn" > COALESCE((SELECT MAX(z."_cdc_source_lsn") FROM main."orders__cdc_deleted" z WHERE z."key" = '*'), ''));
UPDATE main."orders" AS t SET "region" = s."region", "amount" = s."amount", "document" = s."document", "photo" = s."photo", "_cdc_operation" = s."_cdc_operation", "_cdc_timestamp" = s."_cdc_timestamp", "_cdc_source_lsn" = s."_cdc_source_lsn", "_cdc_topic" = s."_cdc_topic", "_cdc_processed_at" = s."_cdc_processed_at"
FROM temp."_cdc_rows" s
WHERE t."id" = s."id" COLLATE BINARY AND s."_cdc_source_lsn" > COALESCE(t."_cdc_source_lsn", '')
AND s."_cdc_operation" <> 'd';
INSERT INTO main."orders" ("id", "region", "amount", "document", "photo", "_cdc_operation", "_cdc_timestamp", "_cdc_source_lsn", "_cdc_topic", "_cdc_processed_at")
SELECT s."id", s."region", s."amount", s."document", s."photo", s."_cdc_operation", s."_cdc_timestamp", s."_cdc_source_lsn", s."_cdc_topic", s."_cdc_processed_at"
FROM temp."_cdc_rows" s LEFT JOIN main."orders" t ON t."id" = s."id" COLLATE BINARY
WHERE t."id" IS NULL AND s."_cdc_operation" <> 'd';
DROP TABLE temp."_cdc_rows";
