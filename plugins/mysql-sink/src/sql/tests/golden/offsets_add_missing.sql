INSERT IGNORE INTO `shop`.`_cdc_offsets_shop` (`topic`, `partition`, `warehouse`, `next_offset`, `state`, `epoch`)
SELECT s.`topic`, s.`partition`, s.`warehouse`, s.`next_offset`, s.`state`, 0 FROM (SELECT r.c0 AS `topic`, CAST(r.c1 AS UNSIGNED) AS `partition`, r.c2 AS `warehouse`, CAST(r.c3 AS UNSIGNED) AS `next_offset`, r.c4 AS `state` FROM ROWS(?, 5) r) s;
