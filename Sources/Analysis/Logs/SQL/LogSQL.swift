package import Core

/// The same judgement where the logs lie: a table definition and queries for an ALB's log.
///
/// The queries are one text for all engines; what differs between them stands in ``Dialect``.
package struct LogSQL {
  package enum Dialect: String, CaseIterable, Sendable {
    case athena, trino, bigquery, clickhouse, duckdb
  }

  private static let columns = [
    "type", "time", "elb", "client", "target", "request_processing_time", "target_processing_time",
    "response_processing_time", "elb_status_code", "target_status_code", "received_bytes", "sent_bytes", "request",
    "user_agent", "ssl_cipher", "ssl_protocol", "target_group_arn", "trace_id", "domain_name", "chosen_cert_arn",
    "matched_rule_priority", "request_creation_time", "actions_executed", "redirect_url", "error_reason",
    "target_port_list", "target_status_code_list", "classification", "classification_reason", "conn_trace_id",
  ]

  private let dialect: Dialect
  private let roundTrip: Nanoseconds
  /// Where the files lie, as the engine names it.
  private let location: String

  package init(_ dialect: Dialect, location: String? = nil, roundTrip: Nanoseconds = LogJudge.usualRoundTrip) {
    self.dialect = dialect
    self.roundTrip = roundTrip
    self.location = location ?? LogSQL.usualLocation(dialect)
  }

  private static func usualLocation(_ dialect: Dialect) -> String {
    switch dialect {
    case .athena, .trino: "s3://BUCKET/PREFIX/AWSLogs/ACCOUNT/elasticloadbalancing/REGION/"
    case .bigquery: "gs://BUCKET/PREFIX/*.log.gz"
    case .clickhouse, .duckdb: "alb-logs/*.log*"
    }
  }

  /// Everything, with a line of comment before each part.
  package func script() -> String {
    """
    -- photofinish logs --sql \(dialect.rawValue): an ALB's access log, judged where it lies.
    -- 1. The table.
    \(table());

    -- 2. How many requests failed in which way (the classes of `photofinish logs`).
    \(classes());

    -- 3. Time since the previous request to each target: all requests, and those lost to the race.
    \(histogram());

    -- 4. Each target's idle timeout: where most of its losses lie.
    \(estimate());

    """
  }

  // MARK: - The table

  package func table() -> String {
    let place = location.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "''")
    let names = LogSQL.columns
    switch dialect {
    case .duckdb:
      return """
        CREATE OR REPLACE VIEW alb_log AS
        SELECT * FROM read_csv('\(place)', delim = ' ', quote = '"', escape = '"', header = false, auto_detect = false,
          null_padding = true, strict_mode = false, columns = {\(names.map { "'\($0)': 'VARCHAR'" }.joined(separator: ", "))})
        """
    case .clickhouse:
      return """
        CREATE OR REPLACE VIEW alb_log AS
        SELECT \(names.enumerated().map { "fields[\($0 + 1)] AS \($1)" }.joined(separator: ", "))
        FROM (SELECT extractGroups(line, '\(LogSQL.pattern)') AS fields FROM file('\(place)', 'LineAsString'))
        WHERE notEmpty(fields)
        """
    case .athena:
      return """
        CREATE EXTERNAL TABLE IF NOT EXISTS alb_log (
        \(names.map { "  `\($0)` string" }.joined(separator: ",\n"))
        )
        ROW FORMAT SERDE 'org.apache.hadoop.hive.serde2.RegexSerDe'
        WITH SERDEPROPERTIES ('serialization.format' = '1', 'input.regex' = '\(LogSQL.pattern)')
        LOCATION '\(place)'
        """
    case .trino:
      return """
        CREATE TABLE IF NOT EXISTS alb_log (
        \(names.map { "  \($0 == "time" || $0 == "type" ? "\"\($0)\"" : $0) varchar" }.joined(separator: ",\n"))
        )
        WITH (format = 'REGEX', regex = '\(LogSQL.pattern)', external_location = '\(place)')
        """
    case .bigquery:
      return """
        CREATE EXTERNAL TABLE IF NOT EXISTS logs.alb_log (
        \(names.map { "  `\($0)` STRING" }.joined(separator: ",\n"))
        )
        OPTIONS (format = 'CSV', uris = ['\(place)'], field_delimiter = ' ', quote = '"', allow_jagged_rows = true,
          ignore_unknown_values = true)
        """
    }
  }

  /// A group for each column, of which the last may be missing; more columns may follow.
  private static var pattern: String {
    let quoted: Set<String> = [
      "request", "user_agent", "trace_id", "domain_name", "chosen_cert_arn", "actions_executed", "redirect_url",
      "error_reason", "target_port_list", "target_status_code_list", "classification", "classification_reason",
    ]
    var text = ""
    for (index, name) in columns.enumerated() {
      let group = quoted.contains(name) ? "\"([^\"]*)\"" : "([^ ]*)"
      if index == 0 {
        text += group
      } else if index < columns.count - 1 {
        text += " " + group
      } else {
        text += "(?: " + group + ")?.*"
      }
    }
    return text
  }

  // MARK: - The queries

  package func classes() -> String {
    """
    WITH \(judged)
    SELECT class, count(*) AS requests
    FROM judged
    WHERE class <> ''
    GROUP BY class
    ORDER BY requests DESC, class
    """
  }

  package func histogram() -> String {
    """
    WITH \(judged), \(gaps),
    octaves AS (
      SELECT target, class, floor(gap / 1000.0) AS ms,
        power(2, floor(log2(greatest(floor(gap / 1000.0), 1)))) AS octave
      FROM gaps
      WHERE gap >= 0
    ),
    buckets AS (
      SELECT target, class,
        CASE WHEN ms < 1 THEN 0 ELSE (8 + floor((ms / octave - 1) * 8)) / 8 * octave / 1000 END AS from_seconds
      FROM octaves
    )
    SELECT target, from_seconds, count(*) AS requests, sum(CASE WHEN class = 'race' THEN 1 ELSE 0 END) AS races
    FROM buckets
    GROUP BY target, from_seconds
    ORDER BY target, from_seconds
    """.replacingLog2(dialect)
  }

  package func estimate() -> String {
    """
    WITH \(judged), \(gaps),
    races AS (
      SELECT target, gap, row_number() OVER (PARTITION BY target ORDER BY gap) AS number
      FROM gaps
      WHERE class = 'race' AND gap >= 400000
    ),
    windows AS (
      SELECT a.target AS target, a.gap AS earliest, a.number AS number, count(*) AS losses, max(b.gap) AS latest
      FROM races AS a
      INNER JOIN races AS b ON a.target = b.target
      WHERE b.number >= a.number AND b.gap <= a.gap + greatest(floor(a.gap / 12.0), 60000)
      GROUP BY a.target, a.gap, a.number
    ),
    ranked AS (
      SELECT target, earliest, losses, latest,
        row_number() OVER (PARTITION BY target ORDER BY losses DESC, number) AS place
      FROM windows
    ),
    inside AS (
      SELECT r.target AS target, r.earliest AS earliest, r.latest AS latest, r.losses AS losses, g.gap AS gap,
        row_number() OVER (PARTITION BY r.target ORDER BY g.gap) AS place
      FROM ranked AS r
      INNER JOIN races AS g ON r.target = g.target
      WHERE r.place = 1 AND g.gap >= r.earliest AND g.gap <= r.latest
    )
    SELECT target, gap / 1000000.0 AS idle_timeout_seconds, earliest / 1000000.0 AS earliest_seconds,
      latest / 1000000.0 AS latest_seconds, losses
    FROM inside
    WHERE losses >= 2 AND place = floor(losses / 2.0) + 1
    ORDER BY target
    """
  }

  /// The verdict on each line, as BalancerLines and LogJudge have it.
  private var judged: String {
    let limit = roundTrip.count / 1_000
    return """
      numbers AS (
        SELECT \(epoch) AS ended, target, target_status_code, error_reason, actions_executed,
          coalesce(\(number("elb_status_code")), 0) AS status, \(number("target_status_code")) AS target_status,
          \(micros("request_processing_time")) AS waited, \(micros("target_processing_time")) AS worked,
          \(micros("response_processing_time")) AS answered
        FROM \(dialect == .bigquery ? "logs.alb_log" : "alb_log")
      ),
      judged AS (
        SELECT ended, target, target_status,
          ended - (CASE WHEN waited > 0 THEN waited ELSE 0 END) - (CASE WHEN worked > 0 THEN worked ELSE 0 END)
            - (CASE WHEN answered > 0 THEN answered ELSE 0 END) AS began,
          CASE
            WHEN target_status IS NOT NULL THEN ''
            WHEN status > 0 AND status < 400 THEN ''
            WHEN coalesce(error_reason, '-') NOT IN ('-', '') THEN
              CASE
                WHEN error_reason LIKE '%Timeout%' THEN 'timeout'
                WHEN error_reason LIKE '%LambdaUnhandled%' THEN 'died'
                ELSE 'local'
              END
            WHEN status IN (0, 460) THEN 'client-gone'
            WHEN status = 464 THEN 'wrong-protocol'
            WHEN status = 502 AND target <> '-' THEN
              CASE WHEN worked IS NULL OR worked <= \(limit) THEN 'race' ELSE 'died' END
            WHEN status = 503 THEN
              CASE
                WHEN target <> '-' OR actions_executed LIKE '%fixed-response%' OR actions_executed LIKE '%waf%' THEN 'local'
                ELSE 'no-server'
              END
            WHEN status = 504 THEN 'timeout'
            WHEN status >= 460 OR status = 400 AND target = '-' THEN 'local'
            ELSE ''
          END AS class
        FROM numbers
      )
      """
  }

  /// Time from the end of the latest answered request to a target to the beginning of the next one.
  private var gaps: String {
    """
    ends AS (
      SELECT target, class, began,
        max(CASE WHEN class = '' THEN ended END) OVER (
          PARTITION BY target ORDER BY ended ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS before_it
      FROM judged
      WHERE target <> '-'
    ),
    gaps AS (
      SELECT target, class, CASE WHEN before_it IS NULL THEN -1 ELSE greatest(began - before_it, 0) END AS gap
      FROM ends
    )
    """
  }

  /// A number of a column; NULL for `-`, and for the -1 that stands for "not known".
  private func number(_ column: String) -> String {
    let value =
      switch dialect {
      case .duckdb, .athena, .trino: "try_cast(\(column) AS double)"
      case .bigquery: "safe_cast(\(column) AS float64)"
      case .clickhouse: "toFloat64OrNull(\(column))"
      }
    return "nullif(\(value), -1)"
  }

  /// A span in whole microseconds.
  private func micros(_ column: String) -> String {
    let type =
      switch dialect {
      case .duckdb, .athena, .trino: "bigint"
      case .bigquery: "int64"
      case .clickhouse: "Nullable(Int64)"
      }
    return "cast(round(\(number(column)) * 1000000) AS \(type))"
  }

  /// The end of the request in microseconds since 1970.
  private var epoch: String {
    switch dialect {
    case .duckdb: "epoch_us(cast(\"time\" AS timestamptz))"
    case .athena, .trino: "cast(round(to_unixtime(from_iso8601_timestamp(\"time\")) * 1000000) AS bigint)"
    case .bigquery: "unix_micros(timestamp(`time`))"
    case .clickhouse: "toUnixTimestamp64Micro(parseDateTime64BestEffort(time, 6, 'UTC'))"
    }
  }
}

extension String {
  /// BigQuery's logarithm takes its base as an argument.
  fileprivate func replacingLog2(_ dialect: LogSQL.Dialect) -> String {
    dialect == .bigquery
      ? replacing("log2(greatest(floor(gap / 1000.0), 1))", with: "log(greatest(floor(gap / 1000.0), 1), 2)") : self
  }
}
