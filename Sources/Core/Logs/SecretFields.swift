/// Fields whose values let somebody in who reads them: logs show `...` in their place, unless the settings reveal them by name.
package enum SecretFields {
  private static let names: Set<String> = [
    "authorization", "proxy-authorization", "authentication-info", "proxy-authentication-info", "cookie", "cookie2",
    "set-cookie", "set-cookie2", "x-api-key", "api-key", "apikey", "x-apikey", "x-auth-token", "x-auth-key",
    "x-access-token", "x-session-token", "x-csrf-token", "x-xsrf-token", "x-amz-security-token", "x-amzn-oidc-data",
    "x-amzn-oidc-accesstoken", "x-goog-iap-jwt-assertion", "cf-access-jwt-assertion", "cf-access-client-secret",
    "x-vault-token", "private-token", "x-gitlab-token", "job-token", "x-hub-signature", "x-hub-signature-256",
    "x-shopify-access-token", "x-functions-key", "ocp-apim-subscription-key", "sec-websocket-key", "dpop",
  ]

  /// - Parameter name: in lower case.
  package static func contains(_ name: String) -> Bool {
    // Many servers cannot tell the two apart.
    names.contains(String(name.map { $0 == "_" ? "-" : $0 }))
  }

  private static let links: Set<String> = [
    "referer", "location", "content-location", "x-original-url", "x-rewrite-url", "x-original-uri", "x-forwarded-uri",
  ]

  /// Fields that hold a link, whose query is shown as that of the request is.
  package static func isLink(_ name: String) -> Bool {
    links.contains(String(name.map { $0 == "_" ? "-" : $0 }))
  }
}
