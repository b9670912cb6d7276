SELECT s."__row", CASE WHEN (s."__found" IS NULL OR (NOT s."__passes" AND s."__latest" > s."__found")) THEN '' ELSE 'early' END
FROM (SELECT b.*, (SELECT MAX(q."_cdc_source_lsn") FROM main."orders_history" q WHERE q."id" = b."__old_0" COLLATE BINARY AND q."region" = b."__old_1" COLLATE BINARY AND q."_cdc_source_lsn" <= b."__up_to" AND (q."_cdc_operation" <> 'd')) AS "__found",
(SELECT MAX(q."_cdc_source_lsn") FROM main."orders_history" q WHERE q."id" = b."__old_0" COLLATE BINARY AND q."region" = b."__old_1" COLLATE BINARY AND q."_cdc_source_lsn" <= b."__up_to") AS "__latest"
FROM (SELECT r.value ->> 0 AS "__row", r.value ->> 1 AS "__old_0", r.value ->> 2 AS "__old_1", r.value ->> 3 AS "__up_to", r.value ->> 4 AS "__passes", r.value ->> 5 AS "__early"
FROM json_each(?) r) b) s
WHERE (s."__found" IS NULL OR (NOT s."__passes" AND s."__latest" > s."__found")) OR (s."__early" AND s."__latest" = s."__found");
