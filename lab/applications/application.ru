# A Rack application with a ledger of the requests that it has read: a line of JSON each, appended at once.
require 'json'

ledger = File.open(ENV.fetch('PHOTOFINISH_LEDGER'), File::WRONLY | File::CREAT | File::APPEND, 0o644)
ledger.sync = true

run lambda { |environment|
  environment['rack.input'].read
  identity = environment['HTTP_X_RACE_ID']
  ledger.write("#{JSON.generate({ 'id' => identity, 'method' => environment['REQUEST_METHOD'] })}\n") if identity
  [200, { 'Content-Type' => 'text/plain', 'Content-Length' => '3' }, ["ok\n"]]
}
