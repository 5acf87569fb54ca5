"""The sign-in page, which gives a key."""

from html import escape


def render_page(*, message: str = "", api_key: str = "", email: str = "") -> str:
    key = f"<p>Your key, shown only now:</p><pre>{escape(api_key)}</pre>" if api_key else ""
    return f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Control core</title>
<style>body {{ font: 1rem/1.5 system-ui; max-width: 28rem; margin: 4rem auto; padding: 0 1rem }}
label, input, select, button {{ display: block; width: 100%; box-sizing: border-box; font: inherit }}
input, select {{ margin-bottom: 1rem; padding: .4rem }} button {{ padding: .5rem }} pre {{ overflow-x: auto }}</style>
<h1>Control core</h1>
<p role="status">{escape(message)}</p>
{key}
<form method="post" action="/">
  <label for="email">Email</label>
  <input id="email" name="email" type="email" autocomplete="username" required value="{escape(email)}">
  <label for="password">Password</label>
  <input id="password" name="password" type="password" autocomplete="current-password" required>
  <label for="slot">Key</label>
  <select id="slot" name="slot"><option>primary</option><option>secondary</option></select>
  <button>Sign in and make a new key</button>
</form>
</html>
"""
