-- For wrk: each request gets an ID of its own, every third is a POST, and each thread stops after its share of answers.
local threads = {}

function setup(thread)
  thread:set("name", "w" .. #threads)
  table.insert(threads, thread)
end

function init(arguments)
  limit = tonumber(arguments[1])
  gets, posts, answered, wrong = 0, 0, 0, 0
end

function request()
  if (gets + posts) % 3 == 2 then
    local id = name .. "p-" .. posts
    posts = posts + 1
    return "POST / HTTP/1.1\r\nHost: load\r\nX-Race-Id: " .. id .. "\r\nContent-Length: 4\r\n\r\nbody"
  end
  local id = name .. "g-" .. gets
  gets = gets + 1
  return "GET / HTTP/1.1\r\nHost: load\r\nX-Race-Id: " .. id .. "\r\n\r\n"
end

function response(status)
  answered = answered + 1
  if status < 200 or status > 299 then wrong = wrong + 1 end
  -- Once: more answers can come before the thread stops, and one thread's words must not count for another's.
  if answered == limit then
    -- wrk itself sleeps on until its time is up, or until a signal: whoever reads this sends one.
    io.stderr:write("STOPPED\n")
    wrk.thread:stop()
  end
end

function done(summary)
  for _, thread in ipairs(threads) do
    print(string.format("LEDGER %s %d %d %d %d", thread:get("name"), thread:get("gets"), thread:get("posts"),
      thread:get("answered"), thread:get("wrong")))
  end
  local errors = summary.errors
  print(string.format("ERRORS %d %d %d %d", errors.connect, errors.read, errors.write, errors.timeout))
end
