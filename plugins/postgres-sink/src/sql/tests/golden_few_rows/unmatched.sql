SELECT s."__key"::text FROM (SELECT (r.value ->> 0) COLLATE "C" AS "__key", CAST(r.value ->> 1 AS bigint) AS "id", CAST(r.value ->> 2 AS text) AS "region" FROM jsonb_array_elements(CAST(CAST($1 AS text) AS jsonb)) r) s
WHERE NOT EXISTS (SELECT FROM "shop"."orders" t WHERE t."id" = s."id" AND t."region" = s."region")
LIMIT 1000;
