printf '\xef\xbb\xbf[Service]\nExecStart=/bin/bom\nX-ForceBind=yes\n' >usr/bom.service
printf '[Service]\r\nExecStart=/bin/dos\r\nX-ForceBind=yes\r\n' >usr/dos.service
printf '[Service]\0ExecStart=/bin/nul\0X-ForceBind=yes\0' >usr/nul.service
printf '[Service]\nX-ForceBind=yes\nExecStart=/bin/x\n# \xff\n' >usr/comment.service
printf '[Service]\nX-ForceBind=yes\nExecStart=/bin/x \xff\n' >usr/latin1.service
printf '[Service]\nX-ForceBind=yes\nExecStart=/bin/x \xff\n' >usr/dropin.service.d/x.conf
