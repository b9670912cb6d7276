SELECT s."__row", CASE WHEN o."id" IS NULL THEN '' ELSE 'early' END
FROM (SELECT r.value ->> 0 AS "__row", r.value ->> 1 AS "id", r.value ->> 2 AS "region", r.value ->> 3 AS "__position", r.value ->> 4 AS "__own_since", r.value ->> 5 AS "__old_0", r.value ->> 6 AS "__old_1", r.value ->> 7 AS "__after", r.value ->> 8 AS "__until", r.value ->> 9 AS "__since", r.value ->> 10 AS "__early"
FROM json_each(?) r) s LEFT JOIN main."orders" t ON t."id" = s."id" COLLATE BINARY AND t."region" = s."region" COLLATE BINARY
LEFT JOIN main."orders" o ON o."id" = s."__old_0" COLLATE BINARY AND o."region" = s."__old_1" COLLATE BINARY AND COALESCE(o."_cdc_source_lsn", '') >= s."__after" AND COALESCE(o."_cdc_source_lsn", '') <= s."__until" AND (COALESCE(o."_cdc_operation", '') <> 'd' OR o."_cdc_source_lsn" >= s."__since")
WHERE (t."id" IS NULL OR COALESCE(t."_cdc_source_lsn", '') < s."__own_since")
AND (o."id" IS NULL OR (s."__early" AND COALESCE(o."_cdc_operation", '') <> 'd'));
