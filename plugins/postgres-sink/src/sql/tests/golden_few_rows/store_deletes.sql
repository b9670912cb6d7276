INSERT INTO "shop"."orders__cdc_deleted" AS t ("key", "_cdc_source_lsn", "_cdc_processed_at")
SELECT s."key", s."_cdc_source_lsn", CAST(CAST($1 AS text) AS timestamptz) FROM (SELECT (r.value ->> 0) COLLATE "C" AS "key", (r.value ->> 1) COLLATE "C" AS "_cdc_source_lsn" FROM jsonb_array_elements(CAST(CAST($2 AS text) AS jsonb)) r) s ORDER BY s."key"
ON CONFLICT ("key") DO UPDATE SET "_cdc_source_lsn" = EXCLUDED."_cdc_source_lsn", "_cdc_processed_at" = EXCLUDED."_cdc_processed_at"
WHERE EXCLUDED."_cdc_source_lsn" COLLATE "C" > COALESCE(t."_cdc_source_lsn", '');
