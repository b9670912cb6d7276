DROP TEMPORARY TABLE IF EXISTS `shop`.`_tidegate_rows`;
CREATE TEMPORARY TABLE `shop`.`_tidegate_rows` (`id` bigint, `region` varchar(384) COLLATE utf8mb4_nopad_bin, `amount` decimal(18,4), `document` longtext COLLATE utf8mb4_nopad_bin, `photo` longblob, `_cdc_operation` longtext COLLATE utf8mb4_nopad_bin, `_cdc_timestamp` datetime(6), `_cdc_source_lsn` longtext COLLATE utf8mb4_nopad_bin, `_cdc_topic` longtext COLLATE utf8mb4_nopad_bin, `_cdc_valid_from` datetime(6), `__after` longtext COLLATE utf8mb4_nopad_bin, `__ends` datetime(6), `__until` datetime(6), `__compared` tinyint(1), `__last` longtext COLLATE utf8mb4_nopad_bin, `__last_end` datetime(6), `__next` datetime(6), `__previous` longtext COLLATE utf8mb4_nopad_bin) ENGINE = InnoDB;
LOAD DATA LOCAL INFILE 'rows' INTO TABLE `shop`.`_tidegate_rows` CHARACTER SET utf8mb4
FIELDS TERMINATED BY X'09' ESCAPED BY X'5C' LINES TERMINATED BY X'0A'
(`id`, `region`, `amount`, `document`, @v4, `_cdc_operation`, @v6, `_cdc_source_lsn`, `_cdc_topic`, @v9, `__after`, @v11, @v12, `__compared`)
SET `photo` = UNHEX(@v4), `_cdc_timestamp` = CAST(LEFT(REPLACE(@v6, 'Z', ''), 26) AS DATETIME(6)), `_cdc_valid_from` = CAST(LEFT(REPLACE(@v9, 'Z', ''), 26) AS DATETIME(6)), `__ends` = CAST(LEFT(REPLACE(@v11, 'Z', ''), 26) AS DATETIME(6)), `__until` = CAST(LEFT(REPLACE(@v12, 'Z', ''), 26) AS DATETIME(6));
SELECT GET_LOCK('tidegate_a8b37905c1016d84ae92bbc374c1754fc8fb4c02', 30);
UPDATE `shop`.`_tidegate_rows` s SET s.`__last` = (SELECT q.`_cdc_source_lsn` FROM `shop`.`orders_history` q WHERE q.`id` = s.`id` AND q.`region` = s.`region` ORDER BY q.`_cdc_source_lsn` DESC LIMIT 1),
s.`__last_end` = (SELECT q.`_cdc_valid_to` FROM `shop`.`orders_history` q WHERE q.`id` = s.`id` AND q.`region` = s.`region` ORDER BY q.`_cdc_valid_to` DESC LIMIT 1),
s.`__next` = CASE WHEN s.`_cdc_source_lsn` < s.`__last`
THEN (SELECT MIN(q.`_cdc_valid_from`) FROM `shop`.`orders_history` q WHERE q.`id` = s.`id` AND q.`region` = s.`region` AND q.`_cdc_source_lsn` > s.`_cdc_source_lsn`) END,
s.`__previous` = CASE WHEN s.`__compared`
THEN (SELECT q.`_cdc_source_lsn` FROM `shop`.`orders_history` q WHERE q.`id` = s.`id` AND q.`region` = s.`region` AND q.`_cdc_source_lsn` < s.`_cdc_source_lsn` ORDER BY q.`_cdc_source_lsn` DESC LIMIT 1) END;
UPDATE `shop`.`_tidegate_rows` s STRAIGHT_JOIN `shop`.`orders_history` p ON p.`id` = s.`id` AND p.`region` = s.`region` AND p.`_cdc_source_lsn` = s.`__previous`
SET s.`__ends` = s.`__until`, s.`__compared` = NULL
WHERE s.`__compared` AND s.`__previous` >= s.`__after` AND p.`_cdc_operation` <> 'd' AND p.`amount` <=> s.`amount` AND p.`document` <=> s.`document` AND p.`photo` <=> s.`photo`;
UPDATE `shop`.`_tidegate_rows` s STRAIGHT_JOIN `shop`.`orders_history` t ON t.`id` = s.`id` AND t.`region` = s.`region` AND t.`_cdc_source_lsn` < s.`_cdc_source_lsn` AND t.`_cdc_source_lsn` >= s.`__after`
SET t.`_cdc_valid_to` = GREATEST(t.`_cdc_valid_from`, s.`__ends`), t.`_cdc_processed_at` = CAST(LEFT(REPLACE(?, 'Z', ''), 26) AS DATETIME(6))
WHERE t.`_cdc_source_lsn` = s.`__last` AND s.`__ends` IS NOT NULL AND t.`_cdc_valid_to` IS NULL;
UPDATE `shop`.`_tidegate_rows` s STRAIGHT_JOIN `shop`.`orders_history` t ON t.`id` = s.`id` AND t.`region` = s.`region` AND t.`_cdc_source_lsn` < s.`_cdc_source_lsn` AND t.`_cdc_source_lsn` >= s.`__after`
SET t.`_cdc_valid_to` = GREATEST(t.`_cdc_valid_from`, s.`__ends`), t.`_cdc_processed_at` = CAST(LEFT(REPLACE(?, 'Z', ''), 26) AS DATETIME(6))
WHERE s.`__last_end` > s.`__ends` AND t.`_cdc_valid_to` > s.`__ends` AND t.`_cdc_valid_to` > t.`_cdc_valid_from`;
INSERT INTO `shop`.`orders_history` (`id`, `region`, `amount`, `document`, `photo`, `_cdc_operation`, `_cdc_timestamp`, `_cdc_source_lsn`, `_cdc_topic`, `_cdc_valid_from`, `_cdc_processed_at`, `_cdc_valid_to`)
SELECT s.`id`, s.`region`, s.`amount`, s.`document`, s.`photo`, s.`_cdc_operation`, s.`_cdc_timestamp`, s.`_cdc_source_lsn`, s.`_cdc_topic`, s.`_cdc_valid_from`, CAST(LEFT(REPLACE(?, 'Z', ''), 26) AS DATETIME(6)),
CASE WHEN s.`_cdc_operation` = 'd' THEN s.`_cdc_valid_from` ELSE GREATEST(s.`_cdc_valid_from`, LEAST(COALESCE(s.`__until`, s.`__next`, CASE WHEN s.`_cdc_source_lsn` <= (SELECT MAX(z.`_cdc_source_lsn`) FROM `shop`.`_cdc_truncates_orders_history` z)
THEN (SELECT MIN(z.`_cdc_timestamp`) FROM `shop`.`_cdc_truncates_orders_history` z WHERE z.`_cdc_source_lsn` >= s.`_cdc_source_lsn`) END),
COALESCE(s.`__next`, s.`__until`, CASE WHEN s.`_cdc_source_lsn` <= (SELECT MAX(z.`_cdc_source_lsn`) FROM `shop`.`_cdc_truncates_orders_history` z)
THEN (SELECT MIN(z.`_cdc_timestamp`) FROM `shop`.`_cdc_truncates_orders_history` z WHERE z.`_cdc_source_lsn` >= s.`_cdc_source_lsn`) END),
COALESCE(CASE WHEN s.`_cdc_source_lsn` <= (SELECT MAX(z.`_cdc_source_lsn`) FROM `shop`.`_cdc_truncates_orders_history` z)
THEN (SELECT MIN(z.`_cdc_timestamp`) FROM `shop`.`_cdc_truncates_orders_history` z WHERE z.`_cdc_source_lsn` >= s.`_cdc_source_lsn`) END, s.`__until`, s.`__next`))) END
FROM `shop`.`_tidegate_rows` s
LEFT JOIN `shop`.`orders_history` t ON t.`id` = s.`id` AND t.`region` = s.`region` AND t.`_cdc_source_lsn` = s.`_cdc_source_lsn`
WHERE t.`_cdc_source_lsn` IS NULL AND s.`__compared` IS NOT NULL
ORDER BY s.`id`, s.`region`, s.`_cdc_source_lsn`;
DROP TEMPORARY TABLE `shop`.`_tidegate_rows`;
