"""The local OpenID Connect provider: whoever can reach it is whoever they say they are.

It listens on this machine only and does not start beside a setting of a real installation.
"""
