INSERT INTO main."orders" ("_cdc_processed_at", "id", "region", "amount", "document", "photo", "_cdc_operation", "_cdc_timestamp", "_cdc_source_lsn", "_cdc_topic")
SELECT ? AS "_cdc_processed_at", r.value ->> 0 AS "id", r.value ->> 1 AS "region", r.value ->> 2 AS "amount", r.value ->> 3 AS "document", unhex(r.value ->> 4) AS "photo", r.value ->> 5 AS "_cdc_operation", r.value ->> 6 AS "_cdc_timestamp", r.value ->> 7 AS "_cdc_source_lsn", r.value ->> 8 AS "_cdc_topic"
FROM json_each(?) r;
