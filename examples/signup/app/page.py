"""The sign-up page."""

from html import escape


def render_page(*, message: str = "", email: str = "") -> str:
    return f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Sign up</title>
<style>body {{ font: 1rem/1.5 system-ui; max-width: 24rem; margin: 4rem auto; padding: 0 1rem }}
label, input, button {{ display: block; width: 100%; box-sizing: border-box; font: inherit }}
input {{ margin-bottom: 1rem; padding: .4rem }} button {{ padding: .5rem }}</style>
<h1>Sign up</h1>
<p role="status">{escape(message)}</p>
<form method="post" action="/">
  <label for="email">Email</label>
  <input id="email" name="email" type="email" autocomplete="username" required value="{escape(email)}">
  <label for="password">Password</label>
  <input id="password" name="password" type="password" autocomplete="new-password" minlength="8" required>
  <button>Create account</button>
</form>
</html>
"""
