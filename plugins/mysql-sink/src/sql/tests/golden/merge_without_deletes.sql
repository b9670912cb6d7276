DROP TEMPORARY TABLE IF EXISTS `shop`.`_tidegate_rows`;
CREATE TEMPORARY TABLE `shop`.`_tidegate_rows` (`id` bigint, `region` longtext COLLATE utf8mb4_nopad_bin, `amount` decimal(18,4), `document` longtext COLLATE utf8mb4_nopad_bin, `photo` longblob, `_cdc_operation` longtext COLLATE utf8mb4_nopad_bin, `_cdc_timestamp` datetime(6), `_cdc_source_lsn` longtext COLLATE utf8mb4_nopad_bin, `_cdc_topic` longtext COLLATE utf8mb4_nopad_bin, `__key` longtext COLLATE utf8mb4_nopad_bin) ENGINE = InnoDB;
LOAD DATA LOCAL INFILE 'rows' INTO TABLE `shop`.`_tidegate_rows` CHARACTER SET utf8mb4
FIELDS TERMINATED BY X'09' ESCAPED BY X'5C' LINES TERMINATED BY X'0A'
(`id`, `region`, `amount`, `document`, @v4, `_cdc_operation`, @v6, `_cdc_source_lsn`, `_cdc_topic`, `__key`)
SET `photo` = UNHEX(@v4), `_cdc_timestamp` = CAST(LEFT(REPLACE(@v6, 'Z', ''), 26) AS DATETIME(6));
SELECT GET_LOCK('tidegate_3224e918aaedc34e003065b1c871293df7f9eacb', 30);
DROP TEMPORARY TABLE IF EXISTS `shop`.`_tidegate_stale`;
CREATE TEMPORARY TABLE `shop`.`_tidegate_stale` (`digest` binary(32) PRIMARY KEY) ENGINE = InnoDB;
INSERT INTO `shop`.`_tidegate_stale`
SELECT UNHEX(SHA2(s.`__key`, 256)) FROM `shop`.`_tidegate_rows` s
LEFT JOIN `shop`.`orders__cdc_deleted` d ON d.`key_digest` = UNHEX(SHA2(s.`__key`, 256))
LEFT JOIN `shop`.`orders__cdc_deleted` z ON z.`key_digest` = UNHEX(SHA2('*', 256))
WHERE NOT (COALESCE(d.`_cdc_source_lsn`, '') < s.`_cdc_source_lsn` AND COALESCE(z.`_cdc_source_lsn`, '') < s.`_cdc_source_lsn`);
DELETE s FROM `shop`.`_tidegate_rows` s JOIN `shop`.`_tidegate_stale` x ON x.`digest` = UNHEX(SHA2(s.`__key`, 256));
DROP TEMPORARY TABLE `shop`.`_tidegate_stale`;
UPDATE `shop`.`orders` t JOIN `shop`.`_tidegate_rows` s ON t.`id` = s.`id`
SET t.`region` = s.`region`, t.`amount` = s.`amount`, t.`document` = s.`document`, t.`photo` = s.`photo`, t.`_cdc_operation` = s.`_cdc_operation`, t.`_cdc_timestamp` = s.`_cdc_timestamp`, t.`_cdc_source_lsn` = s.`_cdc_source_lsn`, t.`_cdc_topic` = s.`_cdc_topic`, t.`_cdc_processed_at` = CAST(LEFT(REPLACE(?, 'Z', ''), 26) AS DATETIME(6))
WHERE s.`_cdc_source_lsn` > COALESCE(t.`_cdc_source_lsn`, '')
AND s.`_cdc_operation` <> 'd';
INSERT INTO `shop`.`orders` (`id`, `region`, `amount`, `document`, `photo`, `_cdc_operation`, `_cdc_timestamp`, `_cdc_source_lsn`, `_cdc_topic`, `_cdc_processed_at`)
SELECT s.`id`, s.`region`, s.`amount`, s.`document`, s.`photo`, s.`_cdc_operation`, s.`_cdc_timestamp`, s.`_cdc_source_lsn`, s.`_cdc_topic`, CAST(LEFT(REPLACE(?, 'Z', ''), 26) AS DATETIME(6)) FROM `shop`.`_tidegate_rows` s
LEFT JOIN `shop`.`orders` t ON t.`id` = s.`id`
WHERE t.`id` IS NULL
AND s.`_cdc_operation` <> 'd'
ORDER BY s.`id`;
DROP TEMPORARY TABLE `shop`.`_tidegate_rows`;
