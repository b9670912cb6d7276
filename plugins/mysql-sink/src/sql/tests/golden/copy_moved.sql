DROP TEMPORARY TABLE IF EXISTS `shop`.`_tidegate_rows`;
CREATE TEMPORARY TABLE `shop`.`_tidegate_rows` (`id` bigint, `region` varchar(384) COLLATE utf8mb4_nopad_bin, `amount` decimal(18,4), `document` longtext COLLATE utf8mb4_nopad_bin, `photo` longblob, `_cdc_operation` longtext COLLATE utf8mb4_nopad_bin, `_cdc_timestamp` datetime(6), `_cdc_source_lsn` longtext COLLATE utf8mb4_nopad_bin, `_cdc_topic` longtext COLLATE utf8mb4_nopad_bin, `__from_2` tinyint(1), `__from_3` tinyint(1), `__from_4` tinyint(1), `__from_5` tinyint(1), `__from_6` tinyint(1), `__from_8` tinyint(1), `__key` longtext COLLATE utf8mb4_nopad_bin, `__rank` bigint, `__old_0` bigint, `__old_1` varchar(384) COLLATE utf8mb4_nopad_bin, `__after` longtext COLLATE utf8mb4_nopad_bin, `__until` longtext COLLATE utf8mb4_nopad_bin, `__since` longtext COLLATE utf8mb4_nopad_bin) ENGINE = InnoDB;
LOAD DATA LOCAL INFILE 'rows' INTO TABLE `shop`.`_tidegate_rows` CHARACTER SET utf8mb4
FIELDS TERMINATED BY X'09' ESCAPED BY X'5C' LINES TERMINATED BY X'0A'
(`id`, `region`, `amount`, `document`, @v4, `_cdc_operation`, @v6, `_cdc_source_lsn`, `_cdc_topic`, `__from_2`, `__from_3`, `__from_4`, `__from_5`, `__from_6`, `__from_8`, `__key`, `__rank`, `__old_0`, `__old_1`, `__after`, `__until`, `__since`)
SET `photo` = UNHEX(@v4), `_cdc_timestamp` = CAST(LEFT(REPLACE(@v6, 'Z', ''), 26) AS DATETIME(6));
SELECT GET_LOCK('tidegate_3224e918aaedc34e003065b1c871293df7f9eacb', 30);
DROP TEMPORARY TABLE IF EXISTS `shop`.`_tidegate_copies`;
CREATE TEMPORARY TABLE `shop`.`_tidegate_copies` (`id` bigint, `region` varchar(384) COLLATE utf8mb4_nopad_bin, `amount` decimal(18,4), `document` longtext COLLATE utf8mb4_nopad_bin, `photo` longblob, `_cdc_operation` longtext COLLATE utf8mb4_nopad_bin, `_cdc_timestamp` datetime(6), `_cdc_source_lsn` longtext COLLATE utf8mb4_nopad_bin, `_cdc_topic` longtext COLLATE utf8mb4_nopad_bin) ENGINE = InnoDB;
INSERT INTO `shop`.`_tidegate_copies` (`id`, `region`, `amount`, `document`, `photo`, `_cdc_operation`, `_cdc_timestamp`, `_cdc_source_lsn`, `_cdc_topic`)
SELECT `id`, `region`, `amount`, `document`, `photo`, `_cdc_operation`, `_cdc_timestamp`, `_cdc_source_lsn`, `_cdc_topic` FROM (
SELECT b.`id`, b.`region`, CASE WHEN b.`__from_2` THEN o.`amount` ELSE b.`amount` END AS `amount`, CASE WHEN b.`__from_3` THEN o.`document` ELSE b.`document` END AS `document`, CASE WHEN b.`__from_4` THEN o.`photo` ELSE b.`photo` END AS `photo`, CASE WHEN b.`__from_5` THEN o.`_cdc_operation` ELSE b.`_cdc_operation` END AS `_cdc_operation`, CASE WHEN b.`__from_6` THEN o.`_cdc_timestamp` ELSE b.`_cdc_timestamp` END AS `_cdc_timestamp`, b.`_cdc_source_lsn`, CASE WHEN b.`__from_8` THEN o.`_cdc_topic` ELSE b.`_cdc_topic` END AS `_cdc_topic`, ROW_NUMBER() OVER (PARTITION BY b.`id`, b.`region` ORDER BY b.`__rank`) AS `__first` FROM `shop`.`_tidegate_rows` b
JOIN `shop`.`orders` o ON o.`id` = b.`__old_0` AND o.`region` = b.`__old_1` AND COALESCE(o.`_cdc_source_lsn`, '') >= b.`__after` AND COALESCE(o.`_cdc_source_lsn`, '') <= b.`__until` AND (COALESCE(o.`_cdc_operation`, '') <> 'd' OR o.`_cdc_source_lsn` >= b.`__since`)
LEFT JOIN `shop`.`orders__cdc_deleted` d ON d.`key_digest` = UNHEX(SHA2(b.`__key`, 256))
LEFT JOIN `shop`.`orders__cdc_deleted` z ON z.`key_digest` = UNHEX(SHA2('*', 256))
WHERE COALESCE(d.`_cdc_source_lsn`, '') < b.`_cdc_source_lsn` AND COALESCE(z.`_cdc_source_lsn`, '') < b.`_cdc_source_lsn`) f WHERE `__first` = 1;
UPDATE `shop`.`orders` t JOIN `shop`.`_tidegate_copies` s ON t.`id` = s.`id` AND t.`region` = s.`region`
SET t.`amount` = s.`amount`, t.`document` = s.`document`, t.`photo` = s.`photo`, t.`_cdc_operation` = s.`_cdc_operation`, t.`_cdc_timestamp` = s.`_cdc_timestamp`, t.`_cdc_source_lsn` = s.`_cdc_source_lsn`, t.`_cdc_topic` = s.`_cdc_topic`, t.`_cdc_processed_at` = CAST(LEFT(REPLACE(?, 'Z', ''), 26) AS DATETIME(6))
WHERE s.`_cdc_source_lsn` > COALESCE(t.`_cdc_source_lsn`, '');
INSERT INTO `shop`.`orders` (`id`, `region`, `amount`, `document`, `photo`, `_cdc_operation`, `_cdc_timestamp`, `_cdc_source_lsn`, `_cdc_topic`, `_cdc_processed_at`)
SELECT s.`id`, s.`region`, s.`amount`, s.`document`, s.`photo`, s.`_cdc_operation`, s.`_cdc_timestamp`, s.`_cdc_source_lsn`, s.`_cdc_topic`, CAST(LEFT(REPLACE(?, 'Z', ''), 26) AS DATETIME(6)) FROM `shop`.`_tidegate_copies` s
LEFT JOIN `shop`.`orders` t ON t.`id` = s.`id` AND t.`region` = s.`region`
WHERE t.`id` IS NULL;
DROP TEMPORARY TABLE `shop`.`_tidegate_copies`;
DROP TEMPORARY TABLE `shop`.`_tidegate_rows`;
