INSERT INTO "SHOP"."PUBLIC"."_cdc_offsets_shop" ("topic", "partition", "warehouse", "epoch", "next_offset")
SELECT s."topic", s."partition", s."warehouse", 0, s."next_offset"
FROM (SELECT f.value[0]::VARCHAR AS "topic", f.value[1]::NUMBER(10,0) AS "partition", f.value[2]::VARCHAR AS "warehouse", f.value[3]::NUMBER(20,0) AS "next_offset"
FROM LATERAL FLATTEN(INPUT => PARSE_JSON(?)) f) s LEFT JOIN "SHOP"."PUBLIC"."_cdc_offsets_shop" t ON t."topic" = s."topic" AND t."partition" = s."partition" AND t."warehouse" = s."warehouse"
WHERE t."topic" IS NULL
