import Analysis
import Core

/// What there is at the admin endpoint.
struct AdminPages {
  private let control: ProxyControl
  private var incidents: RecentIncidents

  init(_ control: ProxyControl, _ incidents: RecentIncidents) {
    self.control = control
    self.incidents = incidents
  }

  mutating func answer(_ request: AdminRequest) -> AdminResponse {
    let place = request.path.joined(separator: "/")
    incidents.collect()
    switch place {
    case "metrics": return reading(request, metrics)
    case "status": return reading(request) { _ in .json(200, control.status()) }
    case "incidents": return reading(request) { _ in .json(200, incidents.json) }
    case "live": return reading(request) { _ in .text(200, "live") }
    case "ready": return reading(request) { _ in ready }
    default: return .refusal(404, "there is no /\(place); there are /metrics, /status, /incidents, /ready and /live")
    }
  }

  /// Nothing changes by GET, and nothing else is understood where nothing can be changed.
  private func reading(_ request: AdminRequest, _ answer: (AdminRequest) -> AdminResponse) -> AdminResponse {
    guard request.method == .get || request.method == .head else {
      var answer = AdminResponse.refusal(405, "this can only be read")
      answer.response.allow = Array("GET, HEAD".utf8)
      return answer
    }
    return answer(request)
  }

  private func metrics(_ request: AdminRequest) -> AdminResponse {
    let form = request.metricsForm
    return AdminResponse(200, form.contentType, control.metrics(form))
  }

  private var ready: AdminResponse {
    if let reason = control.unreadiness { return .text(503, "not ready: \(reason)") }
    return .text(200, "ready")
  }
}
