SELECT s."__key"
FROM (SELECT r.value ->> 0 AS "__key", r.value ->> 1 AS "id", r.value ->> 2 AS "region"
FROM json_each(?) r) s LEFT JOIN main."orders" t ON t."id" = s."id" COLLATE BINARY AND t."region" = s."region" COLLATE BINARY
WHERE t."id" IS NULL
LIMIT 1000;
