DELETE FROM `shop`.`orders__cdc_deleted` WHERE `_cdc_processed_at` < CAST(LEFT(REPLACE(?, 'Z', ''), 26) AS DATETIME(6)) AND `key` <> '*';
