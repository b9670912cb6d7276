MERGE INTO "SHOP"."PUBLIC"."_cdc_offsets_shop" t
USING (SELECT f.value[0]::VARCHAR AS "topic", f.value[1]::NUMBER(10,0) AS "partition"
FROM LATERAL FLATTEN(INPUT => PARSE_JSON(?)) f) s
ON t."topic" = s."topic" AND t."partition" = s."partition"
WHEN MATCHED THEN UPDATE SET "epoch" = t."epoch" + 1
