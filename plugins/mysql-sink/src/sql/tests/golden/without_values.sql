DROP TEMPORARY TABLE IF EXISTS `shop`.`_tidegate_rows`;
CREATE TEMPORARY TABLE `shop`.`_tidegate_rows` (`__row` longtext COLLATE utf8mb4_nopad_bin, `id` bigint, `region` varchar(384) COLLATE utf8mb4_nopad_bin, `__key` longtext COLLATE utf8mb4_nopad_bin, `__position` longtext COLLATE utf8mb4_nopad_bin, `__own_since` longtext COLLATE utf8mb4_nopad_bin, `__old_0` bigint, `__old_1` varchar(384) COLLATE utf8mb4_nopad_bin, `__after` longtext COLLATE utf8mb4_nopad_bin, `__until` longtext COLLATE utf8mb4_nopad_bin, `__since` longtext COLLATE utf8mb4_nopad_bin, `__early` tinyint(1)) ENGINE = InnoDB;
LOAD DATA LOCAL INFILE 'rows' INTO TABLE `shop`.`_tidegate_rows` CHARACTER SET utf8mb4
FIELDS TERMINATED BY X'09' ESCAPED BY X'5C' LINES TERMINATED BY X'0A'
(`__row`, `id`, `region`, `__key`, `__position`, `__own_since`, `__old_0`, `__old_1`, `__after`, `__until`, `__since`, `__early`);
SELECT s.`__row`, CASE WHEN o.`id` IS NULL THEN '' ELSE 'early' END
FROM `shop`.`_tidegate_rows` s LEFT JOIN `shop`.`orders` t ON t.`id` = s.`id` AND t.`region` = s.`region`
LEFT JOIN `shop`.`orders` o ON o.`id` = s.`__old_0` AND o.`region` = s.`__old_1` AND COALESCE(o.`_cdc_source_lsn`, '') >= s.`__after` AND COALESCE(o.`_cdc_source_lsn`, '') <= s.`__until` AND (COALESCE(o.`_cdc_operation`, '') <> 'd' OR o.`_cdc_source_lsn` >= s.`__since`)
LEFT JOIN `shop`.`orders__cdc_deleted` d ON d.`key_digest` = UNHEX(SHA2(s.`__key`, 256))
LEFT JOIN `shop`.`orders__cdc_deleted` z ON z.`key_digest` = UNHEX(SHA2('*', 256))
WHERE (t.`id` IS NULL OR COALESCE(t.`_cdc_source_lsn`, '') < s.`__own_since`)
AND (o.`id` IS NULL OR (s.`__early` AND COALESCE(o.`_cdc_operation`, '') <> 'd'))
AND COALESCE(d.`_cdc_source_lsn`, '') < s.`__position` AND COALESCE(z.`_cdc_source_lsn`, '') < s.`__position`;
DROP TEMPORARY TABLE `shop`.`_tidegate_rows`;
