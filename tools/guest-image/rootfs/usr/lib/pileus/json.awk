# Flattens one JSON document: a line "path<TAB>value" for every string, number, true, false and null, where
# path joins keys and list positions with dots. Newlines inside a string are written \n, tabs as spaces.
# Exits 1 on anything that is not JSON. Characters outside ASCII given as \uXXXX become "?".
function fail() { bad = 1; exit 1 }
function peek() {
  while (substr(text, at, 1) ~ /^[ \t\n\r]$/) at++
  return substr(text, at, 1)
}
function take(c) { if (peek() != c) fail(); at++ }
function escape(c) {
  if (c == "n") return "\\n"
  if (c == "t") return " "
  if (c == "r" || c == "b" || c == "f") return ""
  if (c == "u") {
    hex = tolower(substr(text, at, 4)); at += 4
    if (hex !~ /^[0-9a-f][0-9a-f][0-9a-f][0-9a-f]$/) fail()
    code = (index("0123456789abcdef", substr(hex, 3, 1)) - 1) * 16 + index("0123456789abcdef", substr(hex, 4, 1)) - 1
    if (substr(hex, 1, 2) != "00" || code > 126) return "?"
    return code == 10 ? "\\n" : sprintf("%c", code)
  }
  if (c == "\"" || c == "\\" || c == "/") return c
  fail()
}
function string(  out, c, run) {
  take("\"")
  out = ""
  while (1) {
    if (match(substr(text, at), /^[^"\\]+/)) { out = out substr(text, at, RLENGTH); at += RLENGTH }
    c = substr(text, at, 1); at++
    if (c == "\"") { gsub(/\n/, "\\n", out); gsub(/\t/, " ", out); return out }
    if (c != "\\") fail()
    c = substr(text, at, 1); at++
    out = out escape(c)
  }
}
function value(path, depth,  c, key, n) {
  if (depth > 20) fail()
  c = peek()
  if (c == "{") {
    take("{")
    if (peek() == "}") { take("}"); return }
    while (1) {
      peek(); key = string(); take(":")
      value(path == "" ? key : path "." key, depth + 1)
      if (peek() == ",") { take(","); continue }
      take("}"); return
    }
  }
  if (c == "[") {
    take("["); n = 0
    if (peek() == "]") { take("]"); return }
    while (1) {
      value(path "." n++, depth + 1)
      if (peek() == ",") { take(","); continue }
      take("]"); return
    }
  }
  if (c == "\"") { print path "\t" string(); return }
  if (match(substr(text, at), /^(true|false|null|-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?)/)) {
    print path "\t" substr(text, at, RLENGTH); at += RLENGTH; return
  }
  fail()
}
{ text = text $0 "\n" }
END {
  if (bad) exit 1
  at = 1
  value("", 0)
  if (peek() != "") exit 1
}
