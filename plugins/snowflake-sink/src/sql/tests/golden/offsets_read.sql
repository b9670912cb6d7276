SELECT t."topic"::VARCHAR AS "topic", t."partition"::VARCHAR AS "partition", t."warehouse"::VARCHAR AS "warehouse", t."epoch"::VARCHAR AS "epoch", t."next_offset"::VARCHAR AS "next_offset", t."state"::VARCHAR AS "state", '0' AS "__lane"
FROM "SHOP"."PUBLIC"."_cdc_offsets_shop" t JOIN (SELECT f.value[0]::VARCHAR AS "topic", f.value[1]::NUMBER(10,0) AS "partition"
FROM TABLE(FLATTEN(INPUT => PARSE_JSON(?))) f) s ON t."topic" = s."topic" AND t."partition" = s."partition"
UNION ALL
SELECT t."topic"::VARCHAR AS "topic", t."partition"::VARCHAR AS "partition", t."warehouse"::VARCHAR AS "warehouse", t."epoch"::VARCHAR AS "epoch", t."next_offset"::VARCHAR AS "next_offset", t."state"::VARCHAR AS "state", '1' AS "__lane"
FROM "SHOP"."PUBLIC"."orders__cdc_deleted" t JOIN (SELECT f.value[0]::VARCHAR AS "topic", f.value[1]::NUMBER(10,0) AS "partition"
FROM TABLE(FLATTEN(INPUT => PARSE_JSON(?))) f) s ON t."topic" = s."topic" AND t."partition" = s."partition"
