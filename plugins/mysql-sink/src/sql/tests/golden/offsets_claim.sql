UPDATE `shop`.`_cdc_offsets_shop` t JOIN (SELECT r.c0 AS `topic`, CAST(r.c1 AS UNSIGNED) AS `partition`, CAST(r.c2 AS UNSIGNED) AS `epoch` FROM ROWS(?, 3) r) s ON t.`topic` = s.`topic` AND t.`partition` = s.`partition`
SET t.`epoch` = s.`epoch`
WHERE s.`epoch` > t.`epoch`;
