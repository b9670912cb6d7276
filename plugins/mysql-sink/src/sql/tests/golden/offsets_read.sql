SELECT t.`topic`, t.`partition`, t.`warehouse`, t.`epoch`, t.`next_offset`, t.`state`, '0' FROM `shop`.`_cdc_offsets_shop` t JOIN (SELECT r.c0 AS `topic`, CAST(r.c1 AS UNSIGNED) AS `partition` FROM ROWS(?, 2) r) s ON t.`topic` = s.`topic` AND t.`partition` = s.`partition`
UNION ALL
SELECT t.`topic`, t.`partition`, t.`warehouse`, t.`epoch`, t.`next_offset`, t.`state`, '1' FROM `shop`.`orders__cdc_deleted` t JOIN (SELECT r.c0 AS `topic`, CAST(r.c1 AS UNSIGNED) AS `partition` FROM ROWS(?, 2) r) s ON t.`topic` = s.`topic` AND t.`partition` = s.`partition`;
