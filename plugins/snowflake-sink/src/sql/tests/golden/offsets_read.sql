SELECT t."topic"::VARCHAR AS "topic", t."partition"::VARCHAR AS "partition", t."warehouse"::VARCHAR AS "warehouse", t."epoch"::VARCHAR AS "epoch", t."next_offset"::VARCHAR AS "next_offset", t."state"::VARCHAR AS "state"
FROM "SHOP"."PUBLIC"."_cdc_offsets_shop" t JOIN (SELECT f.value[0]::VARCHAR AS "topic", f.value[1]::NUMBER(10,0) AS "partition"
FROM LATERAL FLATTEN(INPUT => PARSE_JSON(?)) f) s ON t."topic" = s."topic" AND t."partition" = s."partition"
