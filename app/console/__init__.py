"""The console: pages for people who write, try and review what the gateway does.

``frame`` answers requests: it knows who is there, and what they may see. Each page is a module with
its templates, words, style and script of the same name; ``pages`` lists them.
"""
