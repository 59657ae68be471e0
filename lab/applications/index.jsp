<%@ page contentType="text/plain" trimDirectiveWhitespaces="true" import="java.nio.file.*, java.nio.charset.StandardCharsets" %><%
  // A page with a ledger of the requests that it has read: a line of JSON each, appended at once.
  request.getInputStream().readAllBytes();
  String identity = request.getHeader("X-Race-Id");
  if (identity != null) {
    String line = "{\"id\":\"" + identity.replaceAll("[^A-Za-z0-9._-]", "") + "\",\"method\":\"" + request.getMethod() + "\"}\n";
    Files.write(Paths.get(System.getenv("PHOTOFINISH_LEDGER")), line.getBytes(StandardCharsets.UTF_8),
      StandardOpenOption.CREATE, StandardOpenOption.APPEND);
  }
  response.setContentLength(3);
%>ok
