# Reads the part of #cloud-config this image knows and prints "key<TAB>value" lines: hostname, one
# ssh_authorized_keys line per key, one runcmd line per command, and "ignored" for every other top-level key.
# A runcmd entry is a string or a flow list ([a, b]); a flow list becomes one quoted word per item.
function trim(s) { sub(/^[ \t]+/, "", s); sub(/[ \t\r]+$/, "", s); return s }
function unquote(s,  q) {
  s = trim(s); q = substr(s, 1, 1)
  if ((q == "\"" || q == "'") && length(s) > 1 && substr(s, length(s)) == q) {
    s = substr(s, 2, length(s) - 2)
    if (q == "\"") { gsub(/\\"/, "\"", s); gsub(/\\\\/, "\\", s) }
    else gsub(/''/, "'", s)
  }
  return s
}
function word(s) { gsub(/'/, "'\\''", s); return "'" s "'" }
# Splits "a, "b, c", d" at the commas outside quotes.
function flow(s,  out, item, i, c, q) {
  s = substr(s, 2, length(s) - 2); item = ""; q = ""; out = ""
  for (i = 1; i <= length(s); i++) {
    c = substr(s, i, 1)
    if (q == "" && c == ",") { out = out (out == "" ? "" : " ") word(unquote(item)); item = ""; continue }
    if (q == "" && (c == "\"" || c == "'")) q = c
    else if (c == q) q = ""
    item = item c
  }
  return trim(item) == "" ? out : out (out == "" ? "" : " ") word(unquote(item))
}
NR == 1 || /^[ \t]*#/ || /^[ \t\r]*$/ || /^---/ { next }
/^[A-Za-z_]/ {
  key = $0; sub(/:.*/, "", key)
  rest = $0; sub(/^[^:]*:/, "", rest); rest = trim(rest)
  if (key == "hostname") print "hostname\t" unquote(rest)
  else if (key != "ssh_authorized_keys" && key != "runcmd") print "ignored\t" key
  else if (rest != "") print "ignored\t" key " (write it as a list of \"- \" lines)"
  next
}
/^[ \t]*- / && (key == "ssh_authorized_keys" || key == "runcmd") {
  item = $0; sub(/^[ \t]*- /, "", item); item = trim(item)
  if (key == "runcmd" && item ~ /^\[.*\]$/) print "runcmd\t" flow(item)
  else if (item ~ /^[|>]/) print "ignored\t" key " (block text)"
  else print key "\t" unquote(item)
}
