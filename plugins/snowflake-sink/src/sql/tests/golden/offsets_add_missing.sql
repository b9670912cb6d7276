INSERT INTO "SHOP"."PUBLIC"."_cdc_offsets_shop" ("topic", "partition", "warehouse", "next_offset", "state", "epoch")
SELECT s."topic", s."partition", s."warehouse", s."next_offset", s."state", 0
FROM (SELECT f.value[0]::VARCHAR AS "topic", f.value[1]::NUMBER(10,0) AS "partition", f.value[2]::VARCHAR AS "warehouse", f.value[3]::NUMBER(20,0) AS "next_offset", f.value[4]::VARCHAR AS "state"
FROM TABLE(FLATTEN(INPUT => PARSE_JSON(?))) f) s LEFT JOIN "SHOP"."PUBLIC"."_cdc_offsets_shop" t ON t."topic" = s."topic" AND t."partition" = s."partition" AND t."warehouse" = s."warehouse"
WHERE t."topic" IS NULL
