CREATE TABLE temp."_cdc_rows" AS
SELECT ? AS "_cdc_processed_at", r.value ->> 0 AS "id", r.value ->> 1 AS "region", r.value ->> 2 AS "amount", r.value ->> 3 AS "document", unhex(r.value ->> 4) AS "photo", r.value ->> 5 AS "_cdc_operation", r.value ->> 6 AS "_cdc_timestamp", r.value ->> 7 AS "_cdc_source_lsn", r.value ->> 8 AS "_cdc_topic", r.value ->> 9 AS "_cdc_valid_from", r.value ->> 10 AS "__after", r.value ->> 11 AS "__ends", r.value ->> 12 AS "__until", r.value ->> 13 AS "__compared", r.value ->> 14 AS "__old_0", r.value ->> 15 AS "__old_1", r.value ->> 16 AS "__up_to", r.value ->> 17 AS "__passes", r.value ->> 18 AS "__keep_0", r.value ->> 19 AS "__keep_1"
FROM json_each(?) r;
UPDATE temp."_cdc_rows" AS s SET "__ends" = s."__until", "__compared" = NULL
WHERE s."__compared" AND EXISTS (SELECT 1 FROM main."orders_history" p
WHERE p."id" = s."id" COLLATE BINARY AND p."region" = s."region" COLLATE BINARY AND p."_cdc_source_lsn" = (SELECT MAX(q."_cdc_source_lsn") FROM main."orders_history" q WHERE q."id" = s."id" COLLATE BINARY AND q."region" = s."region" COLLATE BINARY AND q."_cdc_source_lsn" < s."_cdc_source_lsn")
AND p."_cdc_source_lsn" >= s."__after" AND p."_cdc_operation" <> 'd' AND p."amount" IS s."amount" AND p."document" IS s."document" AND p."photo" IS s."photo");
UPDATE main."orders_history" AS t SET "_cdc_valid_to" = MAX(t."_cdc_valid_from", s."__ends"), "_cdc_processed_at" = s."_cdc_processed_at"
FROM temp."_cdc_rows" s
WHERE t."id" = s."id" COLLATE BINARY AND t."region" = s."region" COLLATE BINARY AND t."_cdc_source_lsn" < s."_cdc_source_lsn" AND t."_cdc_source_lsn" >= s."__after" AND t."_cdc_valid_to" IS NULL AND s."__ends" IS NOT NULL;
UPDATE main."orders_history" AS t SET "_cdc_valid_to" = MAX(t."_cdc_valid_from", s."__ends"), "_cdc_processed_at" = s."_cdc_processed_at"
FROM temp."_cdc_rows" s
WHERE t."id" = s."id" COLLATE BINARY AND t."region" = s."region" COLLATE BINARY AND t."_cdc_source_lsn" < s."_cdc_source_lsn" AND t."_cdc_source_lsn" >= s."__after" AND t."_cdc_valid_to" > s."__ends" AND t."_cdc_valid_to" > t."_cdc_valid_from";
INSERT INTO main."orders_history" ("id", "region", "amount", "document", "photo", "_cdc_operation", "_cdc_timestamp", "_cdc_source_lsn", "_cdc_topic", "_cdc_valid_from", "_cdc_processed_at", "_cdc_valid_to")
SELECT s."id", s."region", s."amount", CASE WHEN p."_cdc_source_lsn" >= s."__keep_0" THEN p."document" ELSE s."document" END, CASE WHEN p."_cdc_source_lsn" >= s."__keep_1" THEN p."photo" ELSE s."photo" END, s."_cdc_operation", s."_cdc_timestamp", s."_cdc_source_lsn", s."_cdc_topic", s."_cdc_valid_from", s."_cdc_processed_at",
CASE WHEN s."_cdc_operation" = 'd' OR s."__end" <= s."_cdc_valid_from" THEN s."_cdc_valid_from" ELSE s."__end" END
FROM (SELECT s.*, (SELECT MIN("at") FROM (SELECT s."__until" AS "at"
UNION ALL SELECT n."_cdc_valid_from" FROM main."orders_history" n WHERE n."id" = s."id" COLLATE BINARY AND n."region" = s."region" COLLATE BINARY AND n."_cdc_source_lsn" > s."_cdc_source_lsn"
UNION ALL SELECT z."_cdc_timestamp" FROM main."_cdc_truncates_orders_history" z WHERE z."_cdc_source_lsn" >= s."_cdc_source_lsn")) AS "__end" FROM temp."_cdc_rows" s) s
LEFT JOIN main."orders_history" p ON p."id" = s."__old_0" COLLATE BINARY AND p."region" = s."__old_1" COLLATE BINARY AND p."_cdc_source_lsn" = (SELECT MAX(q."_cdc_source_lsn") FROM main."orders_history" q WHERE q."id" = s."__old_0" COLLATE BINARY AND q."region" = s."__old_1" COLLATE BINARY AND q."_cdc_source_lsn" <= s."__up_to" AND (NOT s."__passes" OR q."_cdc_operation" <> 'd'))
WHERE NOT EXISTS (SELECT 1 FROM main."orders_history" t WHERE t."id" = s."id" COLLATE BINARY AND t."region" = s."region" COLLATE BINARY AND t."_cdc_source_lsn" = s."_cdc_source_lsn") AND s."__compared" IS NOT NULL;
DROP TABLE temp."_cdc_rows";
