UPDATE `shop`.`_cdc_offsets_shop` t JOIN (SELECT r.c0 AS `topic`, CAST(r.c1 AS UNSIGNED) AS `partition`, r.c2 AS `warehouse`, CAST(r.c3 AS UNSIGNED) AS `epoch`, CAST(r.c4 AS UNSIGNED) AS `__expected`, CAST(r.c5 AS UNSIGNED) AS `next_offset`, r.c6 AS `state` FROM ROWS(?, 7) r) s ON t.`topic` = s.`topic` AND t.`partition` = s.`partition` AND t.`warehouse` = s.`warehouse`
SET t.`next_offset` = s.`next_offset`, t.`state` = s.`state`, t.`updated_at` = CAST(LEFT(REPLACE(?, 'Z', ''), 26) AS DATETIME(6))
WHERE t.`epoch` = s.`epoch` AND t.`next_offset` <=> s.`__expected`;
