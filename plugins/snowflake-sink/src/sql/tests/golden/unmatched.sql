SELECT s."__key"
FROM (SELECT f.value[0]::VARCHAR AS "__key", f.value[1]::NUMBER(38,0) AS "id", f.value[2]::VARCHAR AS "region"
FROM TABLE(FLATTEN(INPUT => PARSE_JSON(?))) f) s LEFT JOIN "SHOP"."PUBLIC"."orders" t ON t."id" = s."id" AND t."region" = s."region"
WHERE t."id" IS NULL
LIMIT 1000
