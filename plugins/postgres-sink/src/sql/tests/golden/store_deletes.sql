CREATE TEMPORARY TABLE "_tidegate_rows" ("key" text COLLATE "C", "_cdc_source_lsn" text COLLATE "C") ON COMMIT DROP;
COPY pg_temp."_tidegate_rows" FROM STDIN;
INSERT INTO "shop"."orders__cdc_deleted" AS t ("key", "_cdc_source_lsn", "_cdc_processed_at")
SELECT s."key", s."_cdc_source_lsn", CAST(CAST($1 AS text) AS timestamptz) FROM pg_temp."_tidegate_rows" s ORDER BY s."key"
ON CONFLICT ("key") DO UPDATE SET "_cdc_source_lsn" = EXCLUDED."_cdc_source_lsn", "_cdc_processed_at" = EXCLUDED."_cdc_processed_at"
WHERE EXCLUDED."_cdc_source_lsn" COLLATE "C" > COALESCE(t."_cdc_source_lsn", '');
DROP TABLE pg_temp."_tidegate_rows";
