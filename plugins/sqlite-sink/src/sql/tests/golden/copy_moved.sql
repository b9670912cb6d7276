CREATE TABLE temp."_cdc_rows" AS
SELECT * FROM (SELECT b."_cdc_processed_at" AS "_cdc_processed_at", b."id" AS "id", b."region" AS "region", CASE WHEN b."__from_2" THEN o."amount" ELSE b."amount" END AS "amount", CASE WHEN b."__from_3" THEN o."document" ELSE b."document" END AS "document", CASE WHEN b."__from_4" THEN o."photo" ELSE b."photo" END AS "photo", CASE WHEN b."__from_5" THEN o."_cdc_operation" ELSE b."_cdc_operation" END AS "_cdc_operation", CASE WHEN b."__from_6" THEN o."_cdc_timestamp" ELSE b."_cdc_timestamp" END AS "_cdc_timestamp", b."_cdc_source_lsn" AS "_cdc_source_lsn", CASE WHEN b."__from_8" THEN o."_cdc_topic" ELSE b."_cdc_topic" END AS "_cdc_topic", ROW_NUMBER() OVER (PARTITION BY b."id", b."region" ORDER BY b."__rank") AS "__first" FROM (SELECT ? AS "_cdc_processed_at", r.value ->> 0 AS "id", r.value ->> 1 AS "region", r.value ->> 2 AS "amount", r.value ->> 3 AS "document", unhex(r.value ->> 4) AS "photo", r.value ->> 5 AS "_cdc_operation", r.value ->> 6 AS "_cdc_timestamp", r.value ->> 7 AS "_cdc_source_lsn", r.value ->> 8 AS "_cdc_topic", r.value ->> 9 AS "__from_2", r.value ->> 10 AS "__from_3", r.value ->> 11 AS "__from_4", r.value ->> 12 AS "__from_5", r.value ->> 13 AS "__from_6", r.value ->> 14 AS "__from_8", r.value ->> 15 AS "__key", CAST(r.value ->> 16 AS INTEGER) AS "__rank", r.value ->> 17 AS "__old_0", r.value ->> 18 AS "__old_1", r.value ->> 19 AS "__after", r.value ->> 20 AS "__until", r.value ->> 21 AS "__since"
FROM json_each(?) r) b
JOIN main."orders" o ON o."id" = b."__old_0" COLLATE BINARY AND o."region" = b."__old_1" COLLATE BINARY AND COALESCE(o."_cdc_source_lsn", '') >= b."__after" AND COALESCE(o."_cdc_source_lsn", '') <= b."__until" AND (COALESCE(o."_cdc_operation", '') <> 'd' OR o."_cdc_source_lsn" >= b."__since")
LEFT JOIN main."orders__cdc_deleted" d ON d."key" = b."__key"
WHERE (d."_cdc_source_lsn" IS NULL OR b."_cdc_source_lsn" > d."_cdc_source_lsn")
AND b."_cdc_source_lsn" > COALESCE((SELECT MAX(z."_cdc_source_lsn") FROM main."orders__cdc_deleted" z WHERE z."key" = '*'), ''))
WHERE "__first" = 1;
UPDATE main."orders" AS t SET "amount" = s."amount", "document" = s."document", "photo" = s."photo", "_cdc_operation" = s."_cdc_operation", "_cdc_timestamp" = s."_cdc_timestamp", "_cdc_source_lsn" = s."_cdc_source_lsn", "_cdc_topic" = s."_cdc_topic", "_cdc_processed_at" = s."_cdc_processed_at"
FROM temp."_cdc_rows" s
WHERE t."id" = s."id" COLLATE BINARY AND t."region" = s."region" COLLATE BINARY AND s."_cdc_source_lsn" > COALESCE(t."_cdc_source_lsn", '');
INSERT INTO main."orders" ("id", "region", "amount", "document", "photo", "_cdc_operation", "_cdc_timestamp", "_cdc_source_lsn", "_cdc_topic", "_cdc_processed_at")
SELECT s."id", s."region", s."amount", s."document", s."photo", s."_cdc_operation", s."_cdc_timestamp", s."_cdc_source_lsn", s."_cdc_topic", s."_cdc_processed_at"
FROM temp."_cdc_rows" s LEFT JOIN main."orders" t ON t."id" = s."id" COLLATE BINARY AND t."region" = s."region" COLLATE BINARY
WHERE t."id" IS NULL;
DROP TABLE temp."_cdc_rows";
