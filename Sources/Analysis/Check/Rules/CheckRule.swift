/// The rules of `check`. The raw value is the name in every output; it never changes its meaning.
package enum CheckRule: String, CaseIterable, Sendable, Hashable {
  case holdLongerThanServer = "hold-longer-than-server"
  case equalOrThinMargin = "equal-or-thin-margin"
  case poolWithoutEffect = "pool-without-effect"
  case versionFlipsDefault = "version-flips-default"
  case settingOnWrongObject = "setting-on-wrong-object"
  case secondTimer = "second-timer"
  case tunnelFallsBack = "tunnel-falls-back"
  case middleboxBetween = "middlebox-between"
  case retryAppliesTwice = "retry-applies-twice"
  case earlyData = "early-data"
  case blindDrain = "blind-drain"
  case notAnIdleTimeout = "not-an-idle-timeout"
  case assumedDefault = "assumed-default"
}
