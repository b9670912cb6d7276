INSERT INTO main."orders__cdc_deleted" AS t ("_cdc_processed_at", "key", "_cdc_source_lsn")
SELECT ? AS "_cdc_processed_at", r.value ->> 0 AS "key", r.value ->> 1 AS "_cdc_source_lsn"
FROM json_each(?) r WHERE TRUE
ON CONFLICT ("key") DO UPDATE SET "_cdc_source_lsn" = excluded."_cdc_source_lsn", "_cdc_processed_at" = excluded."_cdc_processed_at"
WHERE excluded."_cdc_source_lsn" > COALESCE(t."_cdc_source_lsn", '');
